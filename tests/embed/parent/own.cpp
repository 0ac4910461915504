// A file of the parent project's own: its compile command shows whether our compile options have leaked into it.
int main() {
    return 0;
}
