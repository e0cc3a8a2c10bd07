use super::*;

#[test]
fn directories_of_loaders() {
    for (bytes, expected) in [
        (
            &b"\0/lib64/\0/usr/lib64/\0x"[..],
            &["/lib64", "/usr/lib64"][..],
        ),
        (
            b"/proc/self/\0x\0/lib/a/\0/usr/lib/a/\0/lib/\0\0/x/\0/y/\0",
            &["/lib/a", "/usr/lib/a", "/lib"],
        ),
        (b"/lib64/\0x\0/usr/lib64/\0", &[]),
        (b"", &[]),
    ] {
        assert_eq!(directories_in(bytes), expected);
    }
}
