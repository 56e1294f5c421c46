package scim

import (
	"maps"
	"net/http"

	"alexa-oidc-bridge/bridge"
)

// object is a JSON object.
type object map[string]any

// ServiceProviderConfig serves GET /ServiceProviderConfig (RFC 7643 §5).
func (h *Handler) ServiceProviderConfig(w http.ResponseWriter, r *http.Request) error {
	return h.serve(w, r, func(q *request) (*response, error) {
		supported := func(yes bool) object { return object{"supported": yes} }
		return &response{body: object{
			"schemas":        []string{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
			"patch":          supported(true),
			"bulk":           object{"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
			"filter":         object{"supported": true, "maxResults": maxCount},
			"changePassword": supported(false),
			"sort":           supported(false),
			"etag":           supported(false),
			"authenticationSchemes": []object{{
				"type": "oauthbearertoken", "name": "OAuth Bearer Token", "primary": true,
				"description": "The token of this directory, in the Authorization header.",
			}},
			"meta": meta{ResourceType: "ServiceProviderConfig", Location: q.base + "/ServiceProviderConfig"},
		}}, nil
	})
}

// ResourceTypes serves GET /ResourceTypes and /ResourceTypes/{id} (RFC 7643 §6).
func (h *Handler) ResourceTypes(w http.ResponseWriter, r *http.Request) error {
	return h.serve(w, r, func(q *request) (*response, error) {
		return oneOrAll(q, "User", object{
			"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:ResourceType"},
			"id":      "User", "name": "User", "description": "An account of the directory", "endpoint": "/Users",
			"schema": userSchema,
			"meta":   meta{ResourceType: "ResourceType", Location: q.base + "/ResourceTypes/User"},
		})
	})
}

// Schemas serves GET /Schemas and /Schemas/{id} (RFC 7643 §7). The schema of a user has the attributes that are kept.
func (h *Handler) Schemas(w http.ResponseWriter, r *http.Request) error {
	return h.serve(w, r, func(q *request) (*response, error) {
		return oneOrAll(q, userSchema, object{
			"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Schema"},
			"id":      userSchema, "name": "User", "description": "An account of the directory",
			"attributes": []object{
				attribute("userName", "string", "The name of the account, which no other has",
					object{"required": true, "caseExact": false, "uniqueness": "server"}),
				attribute("externalId", "string", "The id of the account in the directory", object{"caseExact": true}),
				attribute("active", "boolean", "Whether the account may be used; false ends the person's links", nil),
			},
			"meta": meta{ResourceType: "Schema", Location: q.base + "/Schemas/" + userSchema},
		})
	})
}

// attribute describes an attribute in a schema.
func attribute(name, kind, description string, more object) object {
	described := object{"name": name, "type": kind, "multiValued": false, "description": description, "required": false,
		"mutability": "readWrite", "returned": "default", "uniqueness": "none"}
	maps.Copy(described, more)
	return described
}

// Groups serves GET /Groups: there are none.
func (h *Handler) Groups(w http.ResponseWriter, r *http.Request) error {
	return h.serve(w, r, func(*request) (*response, error) { return &response{body: newList([]any{}, 0, 1)}, nil })
}

// oneOrAll answers for the only resource of its kind, by its id or in a list.
func oneOrAll(q *request, id string, only object) (*response, error) {
	switch q.PathValue("id") {
	case "":
		return &response{body: newList([]any{only}, 1, 1)}, nil
	case id:
		return &response{body: only}, nil
	}
	return nil, bridge.ErrNotFound
}
