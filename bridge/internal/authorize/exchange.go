package authorize

import (
	"context"
	"errors"
	"net/http"
	"time"

	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/limit"
	"alexa-oidc-bridge/bridge/upstream"
)

const (
	// maxCodes is how many codes of one flow are sent to the provider: anybody can invent codes, and each is a request
	// with our client secret.
	maxCodes = 3
	// maxRememberedFlows bounds the flows of which codes are counted.
	maxRememberedFlows = 1 << 14
	// maxExchanges is how many exchanges run at one provider at once, and how many wait.
	maxExchanges = 64
	// exchangeQueueTimeout is how long one waits.
	exchangeQueueTimeout = 5 * time.Second
	// exchangeTimeout bounds everything that a provider is asked for one sign-in.
	exchangeTimeout = 45 * time.Second
)

// withinLimits lets a function exchange the flow's code at the provider, unless the flow, the client's address or all
// together have done so too often. Until the function is called, it ends with the client's connection; from then on
// the provider may have the code, and the function's context does not end with it.
func (h *Handler) withinLimits(r *http.Request, f *flow, provider *upstream.Provider,
	exchange func(context.Context) error) error {
	if err := provider.Discover(r.Context()); err != nil { // nothing else may wait for it
		return err
	}
	if h.codes.Count(string(f.handle())) >= maxCodes {
		return errTooManyCodes
	}
	if wait := h.FailedExchanges[f.provider].Wait(r); wait > 0 {
		return httperror.TooMany(wait, errors.New("too many codes from this address failed at the provider"))
	}
	release, err := h.acquireExchange(r, f)
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), exchangeTimeout)
	defer cancel()
	err = exchange(ctx)
	if isFailedExchange(err) {
		h.FailedExchanges[f.provider].Take(r)
	}
	return err
}

// identify exchanges the code of a flow after which nothing is stored, within the limits.
func (h *Handler) identify(r *http.Request, f *flow, provider *upstream.Provider, response upstream.Response,
	wish upstream.Wish) (identity *upstream.Identity, err error) {
	err = h.withinLimits(r, f, provider, func(ctx context.Context) (err error) {
		if err := h.countCode(f, response); err != nil {
			return err
		}
		identity, err = provider.Identify(ctx, f.login(), response, wish)
		return err
	})
	return identity, err
}

func (h *Handler) acquireExchange(r *http.Request, f *flow) (release func(), err error) {
	ctx, cancel := context.WithTimeout(r.Context(), exchangeQueueTimeout)
	defer cancel()
	first := h.codes.Count(string(f.handle())) == 0
	release, err = h.exchanges[f.provider].Acquire(ctx, h.FailedExchanges[f.provider].Network(r), first)
	if errors.Is(err, context.DeadlineExceeded) {
		err = limit.ErrBusy
	}
	return release, err
}

// countCode counts a code of a flow that is to be sent, or returns an error when there were too many.
func (h *Handler) countCode(f *flow, response upstream.Response) error {
	if response.Code != "" && h.codes.Add(string(f.handle())) > maxCodes {
		return errTooManyCodes
	}
	return nil
}

// isFailedExchange reports whether a code that was sent brought nothing. It does not matter whose fault that is: a
// provider that is busy must not get more of what made it busy from an address.
func isFailedExchange(err error) bool {
	e, ok := errors.AsType[*upstream.Error](err)
	return ok && e.Stage == upstream.StageToken
}
