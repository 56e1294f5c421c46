//go:build !unix

package config

// isReadableByOthers reports false: permissions are not in the mode of a file here.
func isReadableByOthers(string) bool { return false }
