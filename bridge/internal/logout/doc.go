// Package logout serves what a provider sends by itself when a session or an account ends: OpenID Connect Back-Channel
// Logout 1.0, and Global Token Revocation (draft-parecki-oauth-global-token-revocation), which Okta calls Universal
// Logout. Both are signed by the keys of the provider's ID tokens and accepted once.
package logout
