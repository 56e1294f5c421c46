package main

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
)

// What every link of the load test has. The names stand in config.yaml.tmpl too.
const (
	skillClientID = "pizza"
	backendID     = "pizza-backend"
	providerID    = "corp"
	// providerClientID is what the bridge is to its provider.
	providerClientID = "alexa-bridge"
	// seededIssuer is the provider of the links that are written straight into the database. Nothing listens there.
	seededIssuer = "http://127.0.0.1:9"
)

// Everything of a link follows from its number, so that no list of millions has to be kept, and each has the same length,
// so that answers have.

func seedOf(what string, i int) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "loadtest %s %d", what, i))
}

func accessToken(i int) string {
	return bridge.NewToken(bridge.AccessTokenKind, seedOf("access", i))
}

// refreshToken is that of a link by the code grant.
func refreshToken(i int) string {
	return bridge.NewToken(bridge.RefreshTokenKind, seedOf("refresh", i))
}

// unknownToken is well-formed, and nobody's.
func unknownToken(i int) string {
	return bridge.NewToken(bridge.AccessTokenKind, seedOf("unknown", i))
}

// malformedToken is as long as a token, and cannot be one.
func malformedToken(i int) string {
	return strings.Replace(unknownToken(i), string(bridge.AccessTokenKind), "aob_xx_", 1)
}

// isByCode says whether a link was made by the code grant: every other one.
func isByCode(i int) bool { return i%2 == 1 }

// key is what the access token of a link is kept by. The link's own keys are made from it and sort as it does, so that links
// can be written in the order of all keys at once, which for millions is many times quicker.
type key [sha256.Size]byte

func keyOf(i int) key { return sha256.Sum256([]byte(accessToken(i))) }

func (k key) number() uint64 { return binary.BigEndian.Uint64(k[:8]) }

func (k key) linkID() string {
	return "lnk_" + strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(k[:16]))
}

func linkID(i int) string { return keyOf(i).linkID() }

// recordOf is the link of a number, as a person who linked a pizza skill has it.
func recordOf(i int, now time.Time) sqlstore.Record {
	k := keyOf(i)
	record := sqlstore.Record{
		Link: bridge.Link{
			ID: k.linkID(), ClientID: skillClientID, Grant: bridge.GrantImplicit, Scope: "orders", CreatedAt: now,
			Identity: bridge.Identity{
				Provider: bridge.Provider{ID: providerID, Issuer: seededIssuer, SubjectClaim: "sub", GroupsClaim: "groups"},
				Subject:  fmt.Sprintf("%020d", k.number()),
				Claims:   bridge.Claims{"email": fmt.Sprintf("p%020d@contoso.com", k.number()), "name": fmt.Sprintf("Ada Lovelace %09d", i)},
			},
		},
		Tokens: []sqlstore.TokenRecord{{Hash: bridge.Hash(fmt.Sprintf("%x", k[:])), Kind: "access", CreatedAt: now}},
	}
	if isByCode(i) {
		record.Link.Grant = bridge.GrantAuthorizationCode
		record.Tokens[0].ExpiresAt = now.Add(accessLifetime)
		record.Tokens = append(record.Tokens, sqlstore.TokenRecord{Hash: bridge.HashOf(refreshToken(i)), Kind: "refresh", CreatedAt: now})
	}
	return record
}

// accessLifetime is so long that databases can be kept for the next time.
const accessLifetime = 10 * 365 * 24 * time.Hour
