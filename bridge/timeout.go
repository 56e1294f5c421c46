package bridge

import (
	"context"
	"time"
)

// StoreTimeout bounds how long a request waits for the [Store]. It is shorter than the 4.5 seconds that Alexa waits
// for a token, so that Alexa learns that the store is unavailable.
const StoreTimeout = 3 * time.Second

// WithStoreTimeout returns a context for a call of the [Store] on behalf of a request.
func WithStoreTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, StoreTimeout)
}
