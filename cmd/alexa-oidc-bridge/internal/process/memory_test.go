package process_test

import (
	"testing"
	"testing/fstest"

	"alexa-oidc-bridge/cmd/alexa-oidc-bridge/internal/process"
)

func TestMemoryLimit(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"no control groups", nil, 0},
		{"version 2, no limit", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 0},
		{"version 2, a container", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"},
			512 << 20},
		{"version 2, a unit", map[string]string{"proc/self/cgroup": "0::/system.slice/bridge.service\n",
			"sys/fs/cgroup/system.slice/bridge.service/memory.max": "268435456\n"}, 256 << 20},
		{"version 2, a slice around it", map[string]string{"proc/self/cgroup": "0::/a.slice/bridge.service\n",
			"sys/fs/cgroup/a.slice/bridge.service/memory.max": "max\n", "sys/fs/cgroup/a.slice/memory.max": "134217728\n"},
			128 << 20},
		{"version 2, of another group", map[string]string{"proc/self/cgroup": "0::/a\n",
			"sys/fs/cgroup/b/memory.max": "1048576\n"}, 0},
		{"version 1, no limit", map[string]string{"proc/self/cgroup": "8:cpu:/\n4:memory:/\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
		{"version 1, a container that does not see its path",
			map[string]string{"proc/self/cgroup": "4:cpu,memory:/docker/0a\n",
				"sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n"}, 512 << 20},
		{"version 1, a unit", map[string]string{"proc/self/cgroup": "4:memory:/bridge.service\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":                "9223372036854771712\n",
			"sys/fs/cgroup/memory/bridge.service/memory.limit_in_bytes": "268435456\n"}, 256 << 20},
		{"a path that leads out", map[string]string{"proc/self/cgroup": "0::/../../a\n",
			"sys/fs/cgroup/memory.max": "1048576\n"},
			1 << 20},
		{"nonsense", map[string]string{"proc/self/cgroup": "x\n\n0:", "sys/fs/cgroup/memory.max": "-"}, 0},
	}
	for _, tt := range tests {
		root := fstest.MapFS{}
		for name, text := range tt.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := process.MemoryLimit(root); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}
