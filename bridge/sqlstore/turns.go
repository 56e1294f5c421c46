package sqlstore

import "context"

// turns lets as many through at once as there are connections, and the others in the order in which they came. A pool of
// database/sql would choose any of those that wait, and some would wait very long.
type turns chan struct{}

func newTurns(connections int) turns { return make(turns, connections) }

// take waits for a turn, which is to be given back.
func (t turns) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turns) giveBack() { <-t }
