// Package smallfs gives tests a file system that they can fill up.
package smallfs

import (
	"os"
	"syscall"
	"testing"
)

// Mount mounts a file system of 96 MiB until the test ends, and returns its folder. It skips the test without the
// right to do so, or fails it if BRIDGE_TEST_STRICT=1 is set.
func Mount(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=96m,mode=0700")
	if err != nil && os.Getenv("BRIDGE_TEST_STRICT") != "1" {
		t.Skipf("mount a small file system: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return folder
}
