package introspect

import (
	"crypto/sha256"
	"maps"
	"sync/atomic"
)

// maxKnown bounds how many headers are known. Each secret of a backend has few spellings.
const maxKnown = 1000

// known are Authorization headers by which backends did authenticate, by their SHA-256. The configuration does not change
// while a process runs, so what was right once is right again. Nobody can find a header by how long it takes to look for its
// hash. The zero value knows none.
type known struct {
	askers atomic.Pointer[map[[sha256.Size]byte]*asker]
}

// find returns who authenticated by this header before, or nil.
func (k *known) find(header []string, room *scratch) *asker {
	askers := k.askers.Load()
	if askers == nil || len(header) != 1 {
		return nil
	}
	room.header = append(room.header[:0], header[0]...)
	return (*askers)[sha256.Sum256(room.header)]
}

// add remembers by which header a backend authenticated. Two that are added at once may lose one, which is added again.
func (k *known) add(header []string, who *asker) {
	if len(header) != 1 {
		return
	}
	more := map[[sha256.Size]byte]*asker{}
	if before := k.askers.Load(); before != nil {
		if len(*before) >= maxKnown {
			return
		}
		more = maps.Clone(*before)
	}
	more[sha256.Sum256([]byte(header[0]))] = who
	k.askers.Store(&more)
}
