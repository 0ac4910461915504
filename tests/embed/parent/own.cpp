// A file of the parent project's own: its compile command shows whether ours has reached it.
int main() {
    return 0;
}
