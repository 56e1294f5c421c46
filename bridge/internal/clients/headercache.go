package clients

import (
	"crypto/sha256"
	"maps"
	"sync/atomic"
)

// maxHeaders bounds the headers of one backend. Each of its secrets has few spellings that anybody uses.
const maxHeaders = 16

// headerCache remembers by which Authorization headers backends have authenticated. The secrets of a registry do
// not change, so a header that was right once stays right. Keys are SHA-256, so that the time of a lookup
// says nothing about a header. The zero value is empty.
type headerCache struct {
	backends atomic.Pointer[map[[sha256.Size]byte]*Backend]
}

// BackendByHeader returns the backend that authenticated by this very Authorization header before, or nil. The header
// is copied into buffer, which is returned to be used again.
func (r *Registry) BackendByHeader(header []string, buffer []byte) (*Backend, []byte) {
	backends := r.headers.backends.Load()
	if backends == nil || len(header) != 1 {
		return nil, buffer
	}
	buffer = append(buffer[:0], header[0]...)
	return (*backends)[sha256.Sum256(buffer)], buffer
}

// add remembers a header. When two are added at the same time, one may be lost; it is added again the next time.
func (c *headerCache) add(header []string, backend *Backend) {
	if len(header) != 1 {
		return
	}
	added := map[[sha256.Size]byte]*Backend{}
	if current := c.backends.Load(); current != nil {
		spellings := 0
		for _, other := range *current {
			if other == backend {
				spellings++
			}
		}
		if spellings >= maxHeaders {
			return
		}
		added = maps.Clone(*current)
	}
	added[sha256.Sum256([]byte(header[0]))] = backend
	c.backends.Store(&added)
}
