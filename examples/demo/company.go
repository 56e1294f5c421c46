package main

import (
	"context"
	"fmt"
	"sync"

	"alexa-oidc-bridge/bridge/upstreamtest"
)

// company is the administrator of the company, who changes accounts. It is safe for concurrent use.
type company struct {
	provider   *upstreamtest.Provider
	directory  *directory
	transcript *transcript

	mu     sync.Mutex // held while an account changes
	people []employee
}

// employee is a person with an account. Person.Disabled means that they cannot sign in.
type employee struct {
	upstreamtest.Person
	Inactive bool // in the directory
}

func newCompany(provider *upstreamtest.Provider, d *directory, t *transcript, people []upstreamtest.Person) *company {
	c := &company{provider: provider, directory: d, transcript: t}
	for _, person := range people {
		c.people = append(c.people, employee{Person: person})
	}
	return c
}

// snapshot returns all people as they are now.
func (c *company) snapshot() []employee {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]employee(nil), c.people...)
}

// change changes the account with a login.
func (c *company) change(login, title string, change func(*employee) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.people {
		if c.people[i].Login == login {
			c.transcript.startSection(title)
			return change(&c.people[i])
		}
	}
	return fmt.Errorf("nobody at the company has the user name %q", login)
}

// setDisabled disables an account at the sign-in, or enables it.
func (c *company) setDisabled(person *employee, disabled bool) {
	person.Disabled = disabled
	c.provider.SetPerson(person.Person)
}

// disable disables an account at the sign-in, which does not tell the bridge.
func (c *company) disable(_ context.Context, login string) error {
	return c.change(login, "The company disables the account", func(person *employee) error {
		c.setDisabled(person, true)
		c.transcript.add(disableAccountStep(person.Person))
		return nil
	})
}

// signOut ends all sessions of a person, of which the sign-in tells the bridge by a logout token.
func (c *company) signOut(ctx context.Context, login string) error {
	return c.change(login, "The company signs the person out everywhere", func(person *employee) error {
		c.transcript.add(signOutStep(person.Person))
		return c.provider.SignOut(ctx, login)
	})
}

// deactivate deactivates a user in the directory, which tells the bridge by SCIM. The person cannot sign in any more.
func (c *company) deactivate(ctx context.Context, login string) error {
	return c.change(login, "The company deactivates the account in its directory", func(person *employee) error {
		c.transcript.add(deactivateStep(person.Person))
		if err := c.directory.setActive(ctx, person.Person, false); err != nil {
			return err
		}
		person.Inactive = true
		c.setDisabled(person, true)
		return nil
	})
}

// enable undoes what disable and deactivate did.
func (c *company) enable(ctx context.Context, login string) error {
	return c.change(login, "The company enables the account again", func(person *employee) error {
		c.transcript.add(enableAccountStep(person.Person))
		if person.Inactive {
			if err := c.directory.setActive(ctx, person.Person, true); err != nil {
				return err
			}
		}
		person.Inactive = false
		c.setDisabled(person, false)
		return nil
	})
}

func disableAccountStep(person upstreamtest.Person) step {
	return step{
		From: partyAdmin, To: partyProvider,
		Why: "The company’s sign-in refuses the person from now on, and every refresh token that it has issued for the " +
			"account. It tells nobody: the bridge learns of it when it asks.",
		Request: []string{"Disable the account of " + fullName(person) + "."}, Response: []string{"The account is disabled."},
	}
}

func signOutStep(person upstreamtest.Person) step {
	return step{
		From: partyAdmin, To: partyProvider,
		Why: "All sessions of the person end. At this company refresh tokens end with the session; at others they live on, " +
			"and so does the link.",
		Request: []string{"Sign " + fullName(person) + " out everywhere."}, Response: []string{"The sessions have ended."},
	}
}

func deactivateStep(person upstreamtest.Person) step {
	return step{
		From: partyAdmin, To: partyDirectory,
		Why: "The directory sends each change to the programs that it provisions, the bridge among them. Then the " +
			"sign-in refuses the person, too.",
		Request: []string{"Deactivate the account of " + fullName(person) + "."},
	}
}

func enableAccountStep(person upstreamtest.Person) step {
	return step{
		From: partyAdmin, To: partyProvider,
		Why:     "The person can sign in again and make a new link. A link that has ended stays ended.",
		Request: []string{"Enable the account of " + fullName(person) + "."}, Response: []string{"The account is enabled."},
	}
}

func fullName(person upstreamtest.Person) string { return person.GivenName + " " + person.FamilyName }
