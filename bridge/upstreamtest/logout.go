package upstreamtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/crypto"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Sign returns a JWT with these claims, signed by the key of the provider's ID tokens. With an empty typ it has none.
func (p *Provider) Sign(typ string, claims any) (string, error) {
	key, err := p.storage.SigningKey(context.Background())
	if err != nil {
		return "", err
	}
	options := &jose.SignerOptions{}
	if typ != "" {
		options.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: key.SignatureAlgorithm(), Key: jose.JSONWebKey{Key: key.Key(), KeyID: key.ID()},
	}, options)
	if err != nil {
		return "", err
	}
	return crypto.Sign(claims, signer)
}

// SignOut ends what the person with a login has at the provider, refresh tokens too, and tells the clients that have a
// LogoutURI (OpenID Connect Back-Channel Logout 1.0). It returns an error if one of them does not respond with 200.
func (p *Provider) SignOut(ctx context.Context, login string) error {
	person, found := p.find(func(person Person) bool { return person.Login == login })
	if !found {
		return fmt.Errorf("upstreamtest: nobody has the login %q", login)
	}
	for _, client := range p.clients {
		if err := p.storage.TerminateSession(ctx, person.Subject, client.ID); err != nil {
			return err
		}
		if client.LogoutURI == "" {
			continue
		}
		if err := p.sendLogout(ctx, client, person.Subject); err != nil {
			return err
		}
	}
	return nil
}

// sendLogout sends a logout token as package zitadel/oidc makes it.
func (p *Provider) sendLogout(ctx context.Context, client Client, subject string) error {
	key, err := p.storage.SigningKey(ctx)
	if err != nil {
		return err
	}
	signer, err := op.SignerFromKey(key)
	if err != nil {
		return err
	}
	token, err := crypto.Sign(oidc.NewLogoutTokenClaims(p.issuer, subject, oidc.Audience{client.ID},
		time.Now().Add(2*time.Minute), rand.Text(), "", 0), signer)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, client.LogoutURI,
		strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("upstreamtest: %s responds to a logout token with status %d", client.ID, response.StatusCode)
	}
	return nil
}
