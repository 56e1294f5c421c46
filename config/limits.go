package config

import (
	"fmt"

	"github.com/dustin/go-humanize"
)

const (
	memoryAuto     = "auto"
	minMemory      = 64 << 20
	minConnections = 16 // of which one address has four
	maxConnections = 1 << 20
)

// processLimits checks what bounds the process. Its memory contains that of cached lookup responses.
func (b *builder) processLimits(form limitsForm, lookupMemory int) Limits {
	connections := form.Connections
	b.reject(connections != 0 && (connections < minConnections || connections > maxConnections), "limits.connections",
		"out of range", fmt.Sprintf("set a number from %d to %d, or 0 for no limit", minConnections, maxConnections))
	if form.Memory == memoryAuto {
		return Limits{Connections: connections}
	}
	memory := b.size("limits.memory", form.Memory, minMemory)
	b.reject(memory <= int64(lookupMemory), "limits.memory", "not above lookup.memory, which is a part of it",
		"raise it, or lower lookup.memory")
	return Limits{Connections: connections, Memory: memory}
}

// size parses a size such as 64MiB.
func (b *builder) size(path, text string, least uint64) int64 {
	const most = 1 << 40
	size, err := humanize.ParseBytes(text)
	if err != nil || size < least || size > most {
		b.problem(path, "not a size, or out of range",
			fmt.Sprintf(`set a size from "%dMiB" to "1TiB"`, least>>20))
		return 0
	}
	return int64(size)
}
