// Package reference gives each request a number under which its log lines are found.
package reference

import (
	"context"
	"crypto/rand"
)

// Reference is a number that a person can read to whoever runs the server, who finds it in the log. It means nothing
// else.
type Reference string

type contextKey struct{}

// New returns a fresh reference: eight characters that cannot be mistaken for one another when read aloud.
func New() Reference {
	const alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
	text := make([]byte, 8)
	rand.Read(text)
	for i, b := range text {
		text[i] = alphabet[b%32]
	}
	return Reference(text)
}

// NewContext puts the reference of a request into its context.
func NewContext(ctx context.Context, ref Reference) context.Context {
	return context.WithValue(ctx, contextKey{}, ref)
}

// FromContext returns the reference of the request, or an empty one.
func FromContext(ctx context.Context) Reference {
	ref, _ := ctx.Value(contextKey{}).(Reference)
	return ref
}
