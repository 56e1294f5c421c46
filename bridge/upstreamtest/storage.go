package upstreamtest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

func (p *Provider) find(matches func(Person) bool) (Person, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.people, matches)
	if i < 0 {
		return Person{}, false
	}
	return p.people[i], true
}

func bySubject(subject string) func(Person) bool {
	return func(person Person) bool { return person.Subject == subject }
}

// userStore implements storage.UserStore by the people of a provider.
type userStore struct{ provider *Provider }

func (s userStore) GetUserByID(subject string) *storage.User { return s.user(bySubject(subject)) }
func (s userStore) GetUserByUsername(login string) *storage.User {
	return s.user(func(person Person) bool { return person.Login == login })
}
func (s userStore) ExampleClientID() string { return "unused" }

func (s userStore) user(matches func(Person) bool) *storage.User {
	person, found := s.provider.find(matches)
	if !found {
		return nil
	}
	return &storage.User{
		ID: person.Subject, Username: person.Login, Password: person.Password,
		FirstName: person.GivenName, LastName: person.FamilyName,
		Email: person.Email, EmailVerified: person.EmailVerified,
	}
}

// GetClientByClientID returns a client whose ID tokens live long: a test may move the clock of the relying party, and
// not the provider's.
func (s claimsStorage) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	client, err := s.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return lastingClient{client}, nil
}

type lastingClient struct{ op.Client }

func (lastingClient) IDTokenLifetime() time.Duration { return 365 * 24 * time.Hour }

// TokenRequestByRefreshToken refuses the refresh tokens of people who are disabled.
func (s claimsStorage) TokenRequestByRefreshToken(ctx context.Context, token string) (op.RefreshTokenRequest, error) {
	request, err := s.Storage.TokenRequestByRefreshToken(ctx, token)
	if err != nil {
		return nil, err
	}
	if person, found := s.provider.find(bySubject(request.GetSubject())); !found || person.Disabled {
		return nil, op.ErrInvalidRefreshToken
	}
	return request, nil
}

// claimsStorage adds groups and further claims to userinfo, and refuses people who are disabled.
type claimsStorage struct {
	*storage.Storage
	provider *Provider
}

func (s claimsStorage) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, tokenID, subject, origin string,
) error {
	if err := s.Storage.SetUserinfoFromToken(ctx, info, tokenID, subject, origin); err != nil {
		return err
	}
	person, found := s.provider.find(bySubject(subject))
	if !found {
		return errors.New("no such person")
	}
	if person.Groups != nil {
		info.AppendClaims("groups", person.Groups)
	}
	for name, value := range person.Claims {
		info.AppendClaims(name, value)
	}
	return nil
}
