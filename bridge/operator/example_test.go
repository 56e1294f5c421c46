package operator_test

import (
	"encoding/json"
	"fmt"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/operator"
)

// Links are output as links list --json and the admin API do it.
func ExampleLinks() {
	link := bridge.Link{ID: "lnk_4ghm3yq7d2c5v6x7y2aaaaaaaa", ClientID: "pizza", Grant: bridge.GrantImplicit,
		Identity: bridge.Identity{
			Provider: bridge.Provider{ID: "corp"}, Subject: "8a7f5c31", Claims: bridge.Claims{"name": "Zoë"},
		},
		CreatedAt: time.Date(2026, 10, 5, 8, 30, 0, 0, time.UTC)}
	text, err := json.MarshalIndent(operator.Links([]bridge.Link{link})[0], "", "  ")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(operator.ASCII(text)))
	// Output:
	// {
	//   "link_id": "lnk_4ghm3yq7d2c5v6x7y2aaaaaaaa",
	//   "client_id": "pizza",
	//   "provider": "corp",
	//   "sub": "8a7f5c31",
	//   "name": "Zo\u00eb",
	//   "email": "",
	//   "grant": "implicit",
	//   "scope": "",
	//   "created_at": "2026-10-05T08:30:00Z",
	//   "last_used_at": null,
	//   "revoked_at": null,
	//   "reason": "",
	//   "actor": ""
	// }
}

// A time is written as a duration before now, a day or a time, which may not be the zero time.
func ExampleParseTime() {
	now := time.Date(2026, 11, 29, 9, 30, 0, 0, time.UTC)
	for _, text := range []string{"24h", "2026-11-29", "2026-11-29T09:30:00Z", "0001-01-01"} {
		begin, end, ok := operator.ParseTime(text, now)
		fmt.Println(begin.Format(time.RFC3339), end.Sub(begin), ok)
	}
	// Output:
	// 2026-11-28T09:30:00Z 0s true
	// 2026-11-29T00:00:00Z 24h0m0s true
	// 2026-11-29T09:30:00Z 1s true
	// 0001-01-01T00:00:00Z 24h0m0s false
}
