package limit

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestPace lets events come faster than they may.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pace, started := NewPace(10, 2*time.Second), time.Now()
		var events sync.WaitGroup
		var mu sync.Mutex
		counts := map[time.Duration]int{} // by second
		for range 100 {
			events.Go(func() {
				pace.Wait(t.Context())
				mu.Lock()
				defer mu.Unlock()
				counts[time.Since(started).Truncate(time.Second)]++
			})
		}
		events.Wait()
		// 10 at once, then 10 a second, and all others in the last half of the 2 s.
		if counts[0] != 19 || counts[time.Second]+counts[2*time.Second] != 81 || counts[time.Second] < 30 {
			t.Errorf("events by second: %v", counts)
		}
		time.Sleep(time.Second)
		before := time.Now()
		pace.Wait(t.Context())
		if waited := time.Since(before); waited != 0 {
			t.Errorf("a second after the flood, an event waits %v", waited)
		}
	})
}

func TestPaceOfOneThatGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pace, started := NewPace(1, time.Hour), time.Now()
		ctx, giveUp := context.WithTimeout(t.Context(), time.Second)
		defer giveUp()
		pace.Wait(ctx)
		pace.Wait(ctx)
		pace.Wait(ctx)
		if waited := time.Since(started); waited != time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}
