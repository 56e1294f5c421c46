package scim

import (
	"time"

	"alexa-oidc-bridge/bridge"
)

// userSchema is the schema of a user (RFC 7643 §4.1).
const userSchema = "urn:ietf:params:scim:schemas:core:2.0:User"

// resource is a user as a directory reads them.
type resource struct {
	Schemas    []string `json:"schemas"`
	ID         string   `json:"id"`
	ExternalID string   `json:"externalId,omitempty"`
	UserName   string   `json:"userName"`
	Active     bool     `json:"active"`
	Meta       meta     `json:"meta"`
}

// meta is what a directory reads about a resource (RFC 7643 §3.1).
type meta struct {
	ResourceType string `json:"resourceType"`
	Created      string `json:"created,omitempty"`
	LastModified string `json:"lastModified,omitempty"`
	Location     string `json:"location"`
}

func newResource(q *request, user bridge.DirectoryUser) resource {
	return resource{
		Schemas: []string{userSchema}, ID: user.ID, ExternalID: user.ExternalID, UserName: user.UserName, Active: user.Active,
		Meta: meta{
			ResourceType: "User", Created: user.CreatedAt.UTC().Format(time.RFC3339),
			LastModified: user.ModifiedAt.UTC().Format(time.RFC3339), Location: q.base + "/Users/" + user.ID,
		},
	}
}

// list is a part of a list of resources (RFC 7644 §3.4.2).
type list struct {
	Schemas      []string `json:"schemas"`
	TotalResults int      `json:"totalResults"`
	StartIndex   int      `json:"startIndex"`
	ItemsPerPage int      `json:"itemsPerPage"`
	Resources    []any    `json:"Resources"`
}

func newList(resources []any, total, start int) list {
	return list{
		Schemas:      []string{"urn:ietf:params:scim:api:messages:2.0:ListResponse"},
		TotalResults: total, StartIndex: start, ItemsPerPage: len(resources), Resources: resources,
	}
}
