// What attention is told, and where a key of a cache of pages lies.
PUSH {
    F32 q, k, v;
    I32 span, pages;
    F32 o, lse;
    Heads h;
    int n_pages, page_bits;
};

// Page numbers are clamped to those that exist.
int row_of(int key) {
    if (!kPages) return key;
    return clamp(pages.at[key >> page_bits], 0, n_pages - 1) << page_bits | (key & ((1 << page_bits) - 1));
}
