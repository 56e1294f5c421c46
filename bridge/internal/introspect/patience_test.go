package introspect

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p patience
		given := map[context.Context]bool{}
		const times = 1000
		for range times {
			begun, ctx := time.Now(), p.begin()
			given[ctx] = true
			context.AfterFunc(ctx, func() {
				if waited := time.Since(begun); waited < storeTimeout || waited > storeTimeout+patienceGrain {
					t.Errorf("a lookup would wait %v", waited)
				}
			})
			time.Sleep(patienceGrain / 7)
		}
		time.Sleep(storeTimeout + patienceGrain)
		synctest.Wait()
		for ctx := range given {
			if ctx.Err() != context.DeadlineExceeded {
				t.Error(ctx.Err())
			}
		}
		if len(given) > times/7+1 {
			t.Errorf("%d contexts for %d lookups", len(given), times)
		}
	})
}
