package introspect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/answercache"
	"alexa-oidc-bridge/bridge/internal/clients"
)

// query asks whom a token belongs to.
type query struct {
	key         answercache.Key
	wellFormed  bool             // the token has the form of an access token
	backend     *clients.Backend // nil: not restricted to a backend's skills
	alexaUserID string           // that the backend sent; empty: none
}

func newQuery(token string) query {
	if !bridge.AccessTokenKind.WellFormed(token) {
		return query{}
	}
	return query{key: sha256.Sum256([]byte(token)), wellFormed: true}
}

// isInactive reports whether an error of resolve means that the token is inactive. Any other error says nothing about
// the token.
func isInactive(err error) bool {
	return errors.Is(err, bridge.ErrNotFound) || errors.Is(err, bridge.ErrSuspended)
}

// resolve returns the entry of an active token; of its errors see isInactive. The entry is read into the buffer.
func (h *Handler) resolve(ctx context.Context, q *query, buffer *[]byte) (answercache.Entry, error) {
	if !q.wellFormed {
		return answercache.Entry{}, bridge.ErrNotFound
	}
	now := h.Now()
	if h.feed.mayUseCache(now) {
		if entry, ok := h.cached(q, buffer, now); ok {
			return h.use(q, entry, "", now)
		}
	}
	entry, linkID, err := h.load(ctx, q)
	if err == nil {
		return h.use(q, entry, linkID, now)
	}
	if isInactive(err) {
		return answercache.Entry{}, err
	}
	now = h.Now() // the store may have taken its time
	if entry, ok := h.cached(q, buffer, now); ok && h.feed.mayUseCacheOnError(now) {
		return h.use(q, entry, "", now)
	}
	return answercache.Entry{}, err
}

func (h *Handler) cached(q *query, buffer *[]byte, now time.Time) (entry answercache.Entry, ok bool) {
	entry, ok, *buffer = h.cache.Get(&q.key, *buffer)
	return entry, ok && !isPast(entry.Unknown, now)
}

// isPast reports whether a time in seconds since 1970 has come. 0 is never.
func isPast(seconds int64, now time.Time) bool { return seconds != 0 && now.Unix() >= seconds }

// use checks an entry against the time and the backend, and records that its link was used. linkID is that of an
// entry that comes from the store and is not cached yet, else empty.
func (h *Handler) use(q *query, entry answercache.Entry, linkID string, now time.Time) (answercache.Entry, error) {
	if isPast(entry.Expires, now) || q.backend != nil && !q.backend.Serves(entry.Skill) {
		return answercache.Entry{}, bridge.ErrNotFound
	}
	var user bridge.Hash
	if q.alexaUserID != "" {
		user = bridge.AlexaUserHash(h.Clients.SkillAt(entry.Skill).ClientID, q.alexaUserID)
	}
	recorded := h.lastUsed.record(&entry, linkID, user, now)
	if isPast(entry.Recheck, now) {
		h.wantRecheck(&entry, now)
		recorded = true
	}
	if recorded || linkID != "" {
		h.cache.Put(&q.key, &entry)
	}
	return entry, nil
}

// recheckInterval is how long after a recheck was asked for it is asked for again. If another process checks the
// account, this one learns of a revocation and of changed claims only.
const recheckInterval = time.Minute

// wantRecheck asks for a recheck of an entry's link.
func (h *Handler) wantRecheck(entry *answercache.Entry, now time.Time) {
	of := linkOf(entry)
	h.Used(of.LinkID, of.Provider)
	entry.Recheck = now.Add(min(recheckInterval,
		max(time.Second, h.Clients.AccountPolicy(of.Provider).RecheckAfter))).Unix()
}

// load reads a token from the store.
func (h *Handler) load(ctx context.Context, q *query) (entry answercache.Entry, linkID string, err error) {
	revision := h.cache.Revision() // before the read, so that a revocation during the read invalidates the entry
	// Not canceled with the request, because others may share the read.
	ctx, cancel := bridge.WithStoreTimeout(context.WithoutCancel(ctx))
	defer cancel()
	token, err := h.Store.Lookup(ctx, bridge.Hash(hex.EncodeToString(q.key[:])))
	h.metrics.countRead(err)
	if err != nil {
		return answercache.Entry{}, "", err
	}
	if !token.Active(h.Now()) {
		return answercache.Entry{}, "", bridge.ErrNotFound
	}
	if reason := h.Clients.CheckLink(&token.Link); reason != "" {
		h.logSuspended(ctx, &token.Link, reason)
		return answercache.Entry{}, "", bridge.ErrSuspended
	}
	if unknown := h.Clients.UnknownAt(&token.Link); isPast(unixOrZero(unknown), h.Now()) {
		h.Used(token.Link.ID, token.Link.Provider.ID)
		return answercache.Entry{}, "", fmt.Errorf("%w since %v: link %s of provider %s", errNotChecked, token.Link.CheckedAt,
			token.Link.ID, token.Link.Provider.ID)
	}
	response, err := h.encodeResponse(&token)
	if err != nil {
		return answercache.Entry{}, "", err
	}
	return answercache.Entry{
		Revision: revision,
		Stripe:   h.cache.Stripe(token.Link.ID),
		Skill:    h.Clients.SkillIndex(token.Link.ClientID),
		Expires:  unixOrZero(token.ExpiresAt),
		LastUsed: unixOrZero(token.Link.LastUsedAt),
		User:     userMark(token.Link.AlexaUser),
		Recheck:  unixOrZero(h.Clients.RecheckAt(&token.Link)),
		Unknown:  unixOrZero(h.Clients.UnknownAt(&token.Link)),
		Response: response,
	}, token.Link.ID, nil
}

// logSuspended logs that a link reads inactive because of the configuration, which its skill cannot tell from a
// revocation.
func (h *Handler) logSuspended(ctx context.Context, link *bridge.Link, reason bridge.Reason) {
	const message = "link suspended"
	h.Sampler.Log(ctx, h.Log, slog.LevelWarn, message+" "+link.ClientID+" "+string(reason), message, "link_id", link.ID,
		"client_id", link.ClientID, "provider", link.Provider.ID, "reason", reason,
		"hint", "the configuration does not permit the link: change it back, or revoke the link")
}

// response is the response for an active token (RFC 7662 §2.2).
type response struct {
	Active      bool          `json:"active"`
	Issuer      string        `json:"iss"`
	Subject     string        `json:"sub"`
	ClientID    string        `json:"client_id"`
	Scope       string        `json:"scope"`
	TokenType   string        `json:"token_type"`
	IssuedAt    int64         `json:"iat"`
	ExpiresAt   int64         `json:"exp,omitempty"`
	LinkID      string        `json:"link_id"`
	Provider    string        `json:"provider"`
	UpstreamISS string        `json:"upstream_iss"`
	Claims      bridge.Claims `json:"claims"`
	Test        bool          `json:"test,omitempty"`
}

func (h *Handler) encodeResponse(token *bridge.AccessToken) ([]byte, error) {
	link := &token.Link
	return json.Marshal(response{
		Active:      true,
		Issuer:      h.PublicURL,
		Subject:     link.Subject,
		ClientID:    link.ClientID,
		Scope:       link.Scope,
		TokenType:   "Bearer",
		IssuedAt:    token.IssuedAt.Unix(),
		ExpiresAt:   unixOrZero(token.ExpiresAt),
		LinkID:      link.ID,
		Provider:    link.Provider.ID,
		UpstreamISS: link.Issuer,
		Claims:      link.Claims.Only(h.Clients.Skill(link.ClientID).Claims),
		Test:        link.IsTest(),
	})
}

func unixOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
