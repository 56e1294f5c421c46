//go:build !linux

package introspect

func preferHugePages([]byte) {}
