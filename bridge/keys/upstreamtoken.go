package keys

import (
	"bytes"
	"strings"
)

// UpstreamToken is the refresh token that a provider issued for a link.
type UpstreamToken struct {
	ClientID     string // of ours, to which it was issued: no other client may use it (RFC 6749 §10.4)
	RefreshToken string
}

const purposeUpstreamToken = "upstream refresh token"

// SealUpstreamToken seals a refresh token. It can be opened with the id of its link only.
func (r *Ring) SealUpstreamToken(linkID string, token UpstreamToken) []byte {
	plain := token.ClientID + "\x00" + token.RefreshToken // no client id has a NUL (RFC 6749, appendix A)
	return r.Seal(purposeUpstreamToken, []byte(plain), []byte(linkID))
}

// OpenUpstreamToken opens what SealUpstreamToken sealed. The error is [ErrOpen].
func (r *Ring) OpenUpstreamToken(linkID string, sealed []byte) (UpstreamToken, error) {
	plain, err := r.Open(purposeUpstreamToken, sealed, []byte(linkID))
	clientID, refreshToken, found := strings.Cut(string(plain), "\x00")
	if err == nil && !found {
		err = ErrOpen
	}
	if err != nil {
		return UpstreamToken{}, err
	}
	return UpstreamToken{clientID, refreshToken}, nil
}

// SealedByNewest reports whether the newest secret sealed data, as far as its key id says.
func (r *Ring) SealedByNewest(sealed []byte) bool {
	return bytes.HasPrefix(sealed, keyID(r.secrets[0]))
}
