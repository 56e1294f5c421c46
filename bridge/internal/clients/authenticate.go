package clients

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// AuthenticationError means that the credentials of a request are wrong. It wraps the [*oauth.Error] that the client
// gets, which does not tell what is wrong.
type AuthenticationError struct {
	ID    string // of the client; empty: no client with the id of the request is configured
	Cause string // for the log
}

func (e *AuthenticationError) Error() string { return e.Cause }

// Unwrap returns the error that the client gets.
func (e *AuthenticationError) Unwrap() error {
	return oauth.Errorf(oauth.InvalidClient, "The client id or the client secret is wrong.")
}

// LogAttrs returns the attributes of the log line about a request that did not authenticate: the id of the client, if
// one with the id of the request is configured.
func LogAttrs(err error) []any {
	e, ok := errors.AsType[*AuthenticationError](err)
	if !ok {
		return nil
	}
	return []any{"client_id", cmp.Or(e.ID, "unknown client")}
}

// AuthenticateSkill returns the skill whose credentials a request has (RFC 6749 §2.3.1). Errors are [*oauth.Error] or
// [*AuthenticationError].
func (r *Registry) AuthenticateSkill(request *http.Request, form url.Values) (*bridge.Skill, error) {
	var skill *bridge.Skill
	isSkill := func(id string) bool { return r.skills[id] != nil }
	err := authenticate(request, form, isSkill, func(id, secret string) bool {
		skill = r.skills[id]
		return skill.HasSecret(secret)
	})
	if err != nil {
		return nil, err
	}
	return skill, nil
}

// AuthenticateBackend returns the backend whose credentials a request has. Credentials in both header and body are an
// InvalidRequest (RFC 6749 §2.3). Errors are as of [Registry.AuthenticateSkill].
func (r *Registry) AuthenticateBackend(request *http.Request, form url.Values) (*Backend, error) {
	credentials, err := oauth.ReadCredentials(request, form)
	if err != nil {
		return nil, err
	}
	if credentials.Header && credentials.Body {
		return nil, oauth.Errorf(oauth.InvalidRequest, "Authenticate either by header or in the body.")
	}
	var backend *Backend
	isBackend := func(id string) bool { return r.backends[id] != nil }
	err = verify(credentials, isBackend, func(id, secret string) bool {
		backend = r.backends[id]
		return backend.hasSecret(secret)
	})
	if err != nil {
		return nil, err
	}
	r.headers.add(request.Header["Authorization"], backend)
	return backend, nil
}

// AuthenticateRevocation returns who sent a revocation request, and the client ids of the skills whose tokens the
// sender may revoke (RFC 7009 §2.1). A skill with a secret must authenticate. A skill without one names itself, and the
// token is its proof. A backend may revoke for the skills that it serves. Errors are as of
// [Registry.AuthenticateSkill].
func (r *Registry) AuthenticateRevocation(request *http.Request,
	form url.Values) (actor bridge.Actor, clientIDs []string, err error) {
	isClient := func(id string) bool { return r.skills[id] != nil || r.backends[id] != nil }
	err = authenticate(request, form, isClient, func(id, secret string) bool {
		skill, backend := r.skills[id], r.backends[id]
		isSkill, isBackend := skill.HasSecret(secret), backend.hasSecret(secret) // both, so that neither takes longer
		isPublic := skill != nil && len(skill.Secrets) == 0 && secret == ""
		switch {
		case isSkill, isPublic:
			actor, clientIDs = bridge.ActorSkill(skill.ClientID), []string{skill.ClientID}
		case isBackend:
			actor, clientIDs = bridge.ActorBackend(backend.ID), backend.Skills
		}
		return isSkill || isPublic || isBackend
	})
	if err != nil {
		return "", nil, err
	}
	return actor, clientIDs, nil
}

func authenticate(request *http.Request, form url.Values, exists func(id string) bool,
	check func(id, secret string) bool) error {
	credentials, err := oauth.ReadCredentials(request, form)
	if err != nil {
		return err
	}
	return verify(credentials, exists, check)
}

// verify tries the credentials as sent and form-decoded. check hashes the secret even for an unknown id, so that the
// time does not reveal which ids exist.
func verify(credentials oauth.Credentials, exists func(id string) bool, check func(id, secret string) bool) error {
	c := credentials
	trimmed := check(strings.TrimSpace(c.ID), strings.TrimSpace(c.Secret)) // always, so that it takes no other time
	if check(c.ID, c.Secret) || check(c.DecodedID, c.DecodedSecret) {
		return nil
	}
	switch {
	case trimmed:
		return &AuthenticationError{strings.TrimSpace(c.ID), "white space around the client id or the secret; remove it"}
	case c.ID == "":
		return &AuthenticationError{"", "no client id was sent"}
	case exists(c.ID), exists(c.DecodedID):
		id := c.ID
		if !exists(id) {
			id = c.DecodedID
		}
		return &AuthenticationError{id, "wrong secret"}
	}
	return &AuthenticationError{"", "no client is configured under the id that was sent"}
}

// hasSecret is [bridge.Backend.HasSecret], also for nil.
func (b *Backend) hasSecret(secret string) bool {
	if b == nil {
		return (*bridge.Backend)(nil).HasSecret(secret)
	}
	return b.HasSecret(secret)
}
