//go:build unix

package config

import (
	"os"
	"path/filepath"
	"syscall"
)

// isReadableByOthers reports whether users other than its owner can reach and read a file. The group may read what
// belongs to root: that is how a service reads it that must not change it.
func isReadableByOthers(path string) bool {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	mode, owner := modeOf(path)
	group, others := mode&0o040 != 0 && owner != 0, mode&0o004 != 0
	for directory := filepath.Dir(path); group || others; directory = filepath.Dir(directory) {
		mode, _ := modeOf(directory)
		group, others = group && mode&0o011 != 0, others && mode&0o001 != 0
		if directory == filepath.Dir(directory) {
			break
		}
	}
	return group || others
}

// modeOf returns the permissions and the owner of a file, and no permissions if they are not known.
func modeOf(path string) (mode os.FileMode, owner uint32) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, 0
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		owner = stat.Uid
	}
	return info.Mode().Perm(), owner
}
