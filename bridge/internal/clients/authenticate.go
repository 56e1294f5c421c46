package clients

import (
	"net/http"
	"net/url"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// AuthenticateSkill returns the skill whose credentials a request has (RFC 6749 §2.3.1). Errors are [*oauth.Error].
func (r *Registry) AuthenticateSkill(request *http.Request, form url.Values) (*bridge.Skill, error) {
	var skill *bridge.Skill
	err := authenticate(request, form, func(id, secret string) bool {
		skill = r.skills[id]
		return skill.HasSecret(secret)
	})
	if err != nil {
		return nil, err
	}
	return skill, nil
}

// AuthenticateBackend returns the backend whose credentials a request has. Credentials in both header and body are an
// InvalidRequest (RFC 6749 §2.3). Errors are [*oauth.Error].
func (r *Registry) AuthenticateBackend(request *http.Request, form url.Values) (*Backend, error) {
	credentials, err := oauth.ReadCredentials(request, form)
	if err != nil {
		return nil, err
	}
	if credentials.Header && credentials.Body {
		return nil, oauth.Errorf(oauth.InvalidRequest, "Authenticate either by header or in the body.")
	}
	var backend *Backend
	err = verify(credentials, func(id, secret string) bool {
		backend = r.backends[id]
		return backend.hasSecret(secret)
	})
	if err != nil {
		return nil, err
	}
	r.headers.add(request.Header["Authorization"], backend)
	return backend, nil
}

// AuthenticateRevocation returns the client ids of the skills whose tokens the sender of a revocation request may
// revoke (RFC 7009 §2.1). A skill with a secret must authenticate. A skill without one names itself, and the token is
// its proof. A backend may revoke for the skills that it serves. Errors are [*oauth.Error].
func (r *Registry) AuthenticateRevocation(request *http.Request, form url.Values) ([]string, error) {
	var clientIDs []string
	err := authenticate(request, form, func(id, secret string) bool {
		skill, backend := r.skills[id], r.backends[id]
		isSkill, isBackend := skill.HasSecret(secret), backend.hasSecret(secret) // both, so that neither takes longer
		isPublic := skill != nil && len(skill.Secrets) == 0 && secret == ""
		switch {
		case isSkill, isPublic:
			clientIDs = []string{skill.ClientID}
		case isBackend:
			clientIDs = backend.Skills
		}
		return isSkill || isPublic || isBackend
	})
	if err != nil {
		return nil, err
	}
	return clientIDs, nil
}

func authenticate(request *http.Request, form url.Values, check func(id, secret string) bool) error {
	credentials, err := oauth.ReadCredentials(request, form)
	if err != nil {
		return err
	}
	return verify(credentials, check)
}

// verify tries the credentials as sent and form-decoded. check hashes the secret even for an unknown id, so that the
// time does not reveal which ids exist.
func verify(credentials oauth.Credentials, check func(id, secret string) bool) error {
	if check(credentials.ID, credentials.Secret) || check(credentials.DecodedID, credentials.DecodedSecret) {
		return nil
	}
	return oauth.Errorf(oauth.InvalidClient, "The client id or the client secret is wrong.")
}

// hasSecret is [bridge.Backend.HasSecret], also for nil.
func (b *Backend) hasSecret(secret string) bool {
	if b == nil {
		return (*bridge.Backend)(nil).HasSecret(secret)
	}
	return b.HasSecret(secret)
}
