package bridge

import (
	"context"
	"crypto/rand"
)

// Reference is a number that a person can read to whoever runs the server, who finds it in the log. It means nothing
// else.
type Reference string

type referenceKey struct{}

// NewReference returns a fresh reference: eight characters that cannot be mistaken for one another when read aloud.
func NewReference() Reference {
	const alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
	text := make([]byte, 8)
	rand.Read(text)
	for i, b := range text {
		text[i] = alphabet[b%32]
	}
	return Reference(text)
}

// WithReference puts the reference of a request into its context.
func WithReference(ctx context.Context, ref Reference) context.Context {
	return context.WithValue(ctx, referenceKey{}, ref)
}

// ReferenceFrom returns the reference of the request, or an empty one.
func ReferenceFrom(ctx context.Context) Reference {
	ref, _ := ctx.Value(referenceKey{}).(Reference)
	return ref
}
