package upstreamtest

import (
	"context"
	"errors"
	"slices"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
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

// claimsStorage adds groups and further claims to userinfo.
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
