// Package transfer reads and writes the file in which links move from one database to another.
//
// The file is JSON, one row of the database per line: a header, then each link followed by its tokens and codes, then the
// numbers of all, by which a truncated file is recognised. Every line ends with a line feed and has at most [MaxLine] bytes.
//
//	{"format":"alexa-oidc-bridge links","version":2,"exported_at":1800000000}
//	{"link":{"link_id":"lnk_4ghm3yq7","client_id":"pizza", … ,"claims":{"email":"ada@contoso.com"}, … }}
//	{"token":{"link_id":"lnk_4ghm3yq7","hash":"9f86d0…","kind":"access", … }}
//	{"links":1,"tokens":1,"codes":0}
//
// Times are seconds since 1970, 0 for never. Tokens and codes are SHA-256 hashes, which cannot be used; the links are
// personal data. [Read] accepts exactly what [Write] writes, and memory does not grow with the file.
package transfer
