package bridge

import "slices"

// AdminToken authenticates a program of the operator at the admin API.
type AdminToken struct {
	Name    string // by which links and the audit log name the program; see [ActorAPI]
	Secrets []Secret
	May     []AdminRight
}

// AdminRight is what an [AdminToken] may do, by its name in the configuration.
type AdminRight string

// Rights of an [AdminToken]. None includes another.
const (
	AdminRead   AdminRight = "read"   // list links and audit records
	AdminRevoke AdminRight = "revoke" // revoke links
	AdminForget AdminRight = "forget" // erase links
)

// AdminRights returns all rights.
func AdminRights() []AdminRight { return []AdminRight{AdminRead, AdminRevoke, AdminForget} }

// Has reports whether the token has a right.
func (t *AdminToken) Has(right AdminRight) bool { return slices.Contains(t.May, right) }

// FindAdminToken returns the token with a secret, or nil. It compares the secret with all of them, each in constant
// time, so that the time tells nothing about any.
func FindAdminToken(tokens []AdminToken, secret string) *AdminToken {
	var found *AdminToken
	for i := range tokens {
		if hasSecret(tokens[i].Secrets, secret) {
			found = &tokens[i]
		}
	}
	return found
}
