package keys

import "bytes"

const upstreamToken = "upstream refresh token"

// SealUpstreamToken seals the refresh token that a provider issued for a link. It can be opened with the link's id only.
func (r *Ring) SealUpstreamToken(linkID, token string) []byte {
	return r.Seal(upstreamToken, []byte(token), []byte(linkID))
}

// OpenUpstreamToken opens what SealUpstreamToken sealed. The error is [ErrOpen].
func (r *Ring) OpenUpstreamToken(linkID string, sealed []byte) (token string, err error) {
	plain, err := r.Open(upstreamToken, sealed, []byte(linkID))
	return string(plain), err
}

// SealsLike reports whether data was sealed by the newest secret, as far as its key id says.
func (r *Ring) SealsLike(sealed []byte) bool { return bytes.HasPrefix(sealed, keyID(r.secrets[0])) }
