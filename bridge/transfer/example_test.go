package transfer_test

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/transfer"
)

func Example() {
	rows := func(yield func(transfer.Row, error) bool) {
		link := transfer.Link{ID: "lnk_ada", ClientID: "pizza", Grant: bridge.GrantImplicit, CreatedAt: 1800000000}
		token := transfer.Token{LinkID: "lnk_ada", Hash: bridge.HashOf("a token"), Kind: "access", CreatedAt: 1800000000}
		_ = yield(transfer.Row{Link: &link}, nil) && yield(transfer.Row{Token: &token}, nil)
	}
	var file bytes.Buffer
	counts, err := transfer.Write(&file, rows, time.Unix(1_800_000_000, 0))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(counts.Links, "link,", counts.Tokens, "token")
	for row, err := range transfer.Read(&file) {
		if err != nil { // the file is truncated or malformed
			log.Fatal(err)
		}
		if row.Link != nil {
			fmt.Fprintln(os.Stdout, row.Link.ID)
		}
	}
	// Output:
	// 1 link, 1 token
	// lnk_ada
}
