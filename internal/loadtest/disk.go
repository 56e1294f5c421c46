package main

import (
	"errors"
	"os"
	"time"
)

// syncTime is how long it takes to write a page to the disk of a folder, the median of some.
func syncTime(folder string) (_ time.Duration, err error) {
	const pages = 101
	file, err := os.CreateTemp(folder, "sync-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	var took []time.Duration
	for range pages {
		began := time.Now()
		if _, err := file.Write(make([]byte, 4096)); err != nil {
			return 0, err
		}
		if err := file.Sync(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(began))
	}
	return median(took, func(d time.Duration) time.Duration { return d }), nil
}
