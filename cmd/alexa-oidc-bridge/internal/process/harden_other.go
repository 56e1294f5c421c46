//go:build !linux

package process

// Harden does nothing on this operating system.
func Harden() error { return nil }
