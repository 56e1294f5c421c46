package sqlstore

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
)

// Who came first gets the next turn, and who has given up gets none.
func TestTurnsAreInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const connections, waiting, givesUp = 3, 40, 7
		turns := newTurns(connections)
		for range connections {
			if err := turns.take(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		impatient, giveUp := context.WithCancel(t.Context())
		var order, want []int
		for i := range waiting {
			ctx := t.Context()
			if i == givesUp {
				ctx = impatient
			} else {
				want = append(want, i)
			}
			go func() {
				if err := turns.take(ctx); err == nil {
					order = append(order, i)
				} else if !errors.Is(err, context.Canceled) || i != givesUp {
					t.Errorf("%d: %v", i, err)
				}
			}()
			synctest.Wait()
		}
		giveUp()
		synctest.Wait()
		if len(order) > 0 {
			t.Errorf("%v had a turn while all were taken", order)
		}
		if err := turns.take(impatient); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller that is gone got %v", err)
		}
		for range want {
			turns.giveBack()
			synctest.Wait()
		}
		if !slices.Equal(order, want) {
			t.Errorf("turns were given in the order %v", order)
		}
	})
}
