package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// size is what a number of links costs.
type size struct {
	store    string
	links    int
	database int64           // bytes on disk
	starts   []time.Duration // until the bridge serves
	inUse    [3]int          // links that were looked up
	memory   [3]int64        // of the bridge after that many
}

// startsMeasured is how often the bridge is started, of which the median counts.
const startsMeasured = 5

// measureSize starts bridges, and watches how the memory of the last one grows with the links in use.
func (s *setting) measureSize(ctx context.Context) (err error) {
	defer s.endFrom(len(s.undo), &err)
	made := size{store: s.store, links: s.links, inUse: [3]int{0, s.inUse / 2, s.inUse}}
	if made.database, err = s.database.size(ctx); err != nil {
		return err
	}
	var bridge *target
	for range min(startsMeasured, s.options.rounds) {
		if err := s.end(s.begun); err != nil {
			return err
		}
		if bridge, err = s.startBridge(bridgeTask{database: s.database.Options, issuer: seededIssuer}); err != nil {
			return err
		}
		made.starts = append(made.starts, bridge.ready)
	}
	for i, count := range made.inUse {
		before := made.inUse[max(0, i-1)]
		if err := s.checkLookups(ctx, bridge, before, count-before); err != nil {
			return err
		}
		if made.memory[i], err = memoryOf(bridge.pid); err != nil {
			return err
		}
	}
	s.sizes = append(s.sizes, made)
	return nil
}

// eachLink is how many bytes each link in use takes, as the second half of them showed: the first one also pays for the code
// that runs for the first time.
func (z *size) eachLink() int64 {
	return (z.memory[2] - z.memory[1]) / int64(max(1, z.inUse[2]-z.inUse[1]))
}

func (z *size) start() time.Duration {
	slices.Sort(z.starts)
	return z.starts[len(z.starts)/2]
}

func human(n int) string {
	switch {
	case n >= 1_000_000 && n%1_000_000 == 0:
		return fmt.Sprintf("%d million", n/1_000_000)
	case n >= 1000 && n%1000 == 0:
		return fmt.Sprintf("%d,000", n/1000)
	}
	return fmt.Sprint(n)
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.0f MB", float64(bytes)/1e6) }
