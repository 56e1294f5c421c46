package keys_test

import (
	"bytes"
	"fmt"

	"alexa-oidc-bridge/bridge/keys"
)

func ExampleRing_Seal() {
	ring := keys.NewRing(bytes.Repeat([]byte{1}, keys.SecretSize))
	sealed := ring.Seal("cookie", []byte("hello"), []byte("session 1"))

	plaintext, err := ring.Open("cookie", sealed, []byte("session 1"))
	fmt.Printf("%s %v\n", plaintext, err)
	_, err = ring.Open("cookie", sealed, []byte("session 2"))
	fmt.Println(err)
	// Output:
	// hello <nil>
	// keys: not sealed by any of these keys for this purpose
}

// To rotate, put the new secret in front of the old one. What was sealed before can still be opened.
func ExampleNewRing_rotation() {
	before := bytes.Repeat([]byte{1}, keys.SecretSize)
	sealed := keys.NewRing(before).Seal("cookie", []byte("hello"), nil)

	text := keys.Generate() // for the configuration
	after, err := keys.Parse(text)
	if err != nil {
		fmt.Println(err)
		return
	}
	plaintext, err := keys.NewRing(after, before).Open("cookie", sealed, nil)
	fmt.Printf("%s %v\n", plaintext, err)
	// Output: hello <nil>
}
