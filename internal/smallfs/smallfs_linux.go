// Package smallfs gives tests a file system that they can fill up.
package smallfs

import (
	"fmt"
	"syscall"
	"testing"

	"alexa-oidc-bridge/internal/testmachine"
)

// Mount mounts a file system of 96 MiB until the test ends, and returns its folder. It skips the test without the
// right to do so, or fails it if BRIDGE_TEST_STRICT=1 is set.
func Mount(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=96m,mode=0700")
	testmachine.Need(t, err == nil, fmt.Sprintf("a small file system cannot be mounted: %v", err))
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return folder
}
