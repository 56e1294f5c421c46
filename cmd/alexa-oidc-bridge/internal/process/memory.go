// Package process sets what the operating system and the Go runtime allow this process.
package process

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// unlimited is above what a control group of version 1 has for no limit.
const unlimited = 1 << 60

// MemoryLimit returns the memory limit of this process's control group, or of one that it is in, in bytes; 0: there is
// none. The file system is that at /.
func MemoryLimit(root fs.FS) int64 {
	limit := int64(unlimited)
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(groups)) { // hierarchy:controllers:path
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(fields) != 3:
		case fields[1] == "": // version 2
			limit = min(limit, lowest(root, "sys/fs/cgroup", fields[2], "memory.max"))
		case strings.Contains(","+fields[1]+",", ",memory,"):
			limit = min(limit, lowest(root, "sys/fs/cgroup/memory", fields[2], "memory.limit_in_bytes"))
		}
	}
	if limit == unlimited {
		return 0
	}
	return limit
}

// lowest returns the lowest limit of a control group and those around it. In a container, some may not be visible.
func lowest(root fs.FS, mount, group, file string) int64 {
	limit := int64(unlimited)
	for group = path.Clean("/" + group); ; group = path.Dir(group) {
		text, err := fs.ReadFile(root, path.Join(mount, group, file))
		if n, notNumber := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && notNumber == nil {
			limit = min(limit, n)
		}
		if group == "/" {
			return limit
		}
	}
}
