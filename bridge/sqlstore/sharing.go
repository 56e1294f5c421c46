package sqlstore

import (
	"container/list"
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"time"
)

// maxShared bounds how many share a query, and so how long the first of them waits.
const maxShared = 32

// sharing lets those who ask the database at the same time do so by one query. Nobody asks in the background: of those that
// wait, whoever gets a turn leads, and asks for the others, too. So a query always begins after what it is for was asked.
type sharing[Q any] struct {
	turns turns
	query func(ctx context.Context, group []*asked[Q]) error // fills in the answers; an error is for all of them
	// gathering is how long who leads waits for others, of whom there were some a moment ago. 0: not at all. It is for one turn.
	gathering time.Duration

	mu       sync.Mutex
	waiting  list.List     // of *asked[Q], in the order in which they came
	expected int           // how many may come together, as far as the last time tells
	enough   chan struct{} // closed when so many wait; nil: nobody wants to know
}

// asked is a question, and in the end its answer.
type asked[Q any] struct {
	question Q
	place    *list.Element // among those that wait; nil: none any more

	done   chan struct{} // closed when the rest is there
	shared bool          // asked by a query with others
	err    error
}

// errPanicked is for those who shared a query with one who panicked.
var errPanicked = errors.New("a query that others shared ended in a panic")

// ask returns the question with its answer. Its error is only that of the context: the other one is in what it returns.
func (s *sharing[Q]) ask(ctx context.Context, question Q) (*asked[Q], error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a := s.join(question)
	runtime.Gosched() // whoever can run asks now, too; on one processor each would ask alone otherwise
	if err := s.await(ctx, a); err != nil {
		return nil, err
	}
	return a, nil
}

// askAlone shares the query with nobody.
func (s *sharing[Q]) askAlone(ctx context.Context, question Q) (*asked[Q], error) {
	if err := s.turns.take(ctx); err != nil {
		return nil, err
	}
	defer s.turns.giveBack()
	a := &asked[Q]{question: question, done: make(chan struct{})}
	s.answer(ctx, []*asked[Q]{a})
	return a, nil
}

func (s *sharing[Q]) join(question Q) *asked[Q] {
	a := &asked[Q]{question: question, done: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	a.place = s.waiting.PushBack(a)
	if s.enough != nil && s.waiting.Len() >= s.expected {
		close(s.enough)
		s.enough = nil
	}
	return a
}

// await waits for an answer, or leads to get one.
func (s *sharing[Q]) await(ctx context.Context, a *asked[Q]) error {
	turns := s.turns
	for {
		select {
		case <-a.done:
			return nil
		case turns <- struct{}{}:
			if !s.lead(ctx, a) {
				turns = nil
			}
		case <-ctx.Done():
			s.leave(a)
			return ctx.Err()
		}
	}
}

// lead uses a turn to ask for those that have waited longest. It asks nothing, and says so, if another one leads for who has
// the turn.
func (s *sharing[Q]) lead(ctx context.Context, a *asked[Q]) bool {
	defer s.turns.giveBack()
	s.gather(ctx, a)
	group := s.take(a)
	if len(group) > 0 {
		s.answer(ctx, group)
	}
	return len(group) > 0
}

// gather waits a moment for those who may come again, because they just got an answer. Otherwise who asks again and again would
// part into two halves, one of which comes while the other is answered, and a query would be for half of them.
func (s *sharing[Q]) gather(ctx context.Context, a *asked[Q]) {
	enough := s.notEnough(a)
	if enough == nil {
		return
	}
	timer := time.NewTimer(s.gathering)
	defer timer.Stop()
	select {
	case <-enough:
	case <-timer.C:
	case <-ctx.Done(): // what the others ask is asked nevertheless
	}
}

// notEnough returns what is closed when as many wait as are expected. nil: there is nothing to wait for.
func (s *sharing[Q]) notEnough(a *asked[Q]) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gathering == 0 || a.place == nil || s.waiting.Len() >= s.expected {
		return nil
	}
	s.enough = make(chan struct{})
	return s.enough
}

// expect remembers that those who are answered now may come again, beside those who wait.
func (s *sharing[Q]) expect(answered int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expected = min(answered+s.waiting.Len(), maxShared)
}

func (s *sharing[Q]) take(a *asked[Q]) []*asked[Q] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.place == nil {
		return nil
	}
	group := make([]*asked[Q], min(s.waiting.Len(), maxShared))
	for n := range group {
		taken := s.waiting.Remove(s.waiting.Front()).(*asked[Q])
		taken.place, taken.shared = nil, len(group) > 1
		group[n] = taken
	}
	return group
}

// leave is for who has given up.
func (s *sharing[Q]) leave(a *asked[Q]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.place != nil {
		s.waiting.Remove(a.place)
		a.place = nil
	}
}

// answer answers a group.
func (s *sharing[Q]) answer(ctx context.Context, group []*asked[Q]) {
	err := errPanicked
	defer func() {
		s.expect(len(group))
		for _, a := range group {
			if err != nil {
				a.err = err
			}
			close(a.done)
		}
	}()
	err = s.query(ctx, group)
}

// places is a list of placeholders, from the first.
func places(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = placeholder(i + 1)
	}
	return "(" + strings.Join(list, ", ") + ")"
}

// padded returns the one value there is, or maxShared of them, the last again and again: so there are two statements to be
// prepared.
func padded(n int, value func(int) string) []any {
	if n == 1 {
		return []any{value(0)}
	}
	values := make([]any, maxShared)
	for i := range values {
		values[i] = value(min(i, n-1))
	}
	return values
}
