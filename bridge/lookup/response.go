package lookup

import (
	"crypto/rand"
	"encoding/json"
	"errors"
)

// Texts are what a skill says to those whom it does not know.
type Texts struct {
	NotLinked   string // empty: "Please link your account in the Alexa app." Alexa shows a card for it, too
	Unavailable string // empty: "This is not available right now. Please try again later."
}

// Types of errors of the smart home and the music API.
const (
	invalidCredential = "INVALID_AUTHORIZATION_CREDENTIAL" // Amazon deletes the link, so only after ErrNotLinked
	internalError     = "INTERNAL_ERROR"
	acceptGrantFailed = "ACCEPT_GRANT_FAILED"
)

// ErrorResponse returns the response, as JSON, to a request for which [Client.Lookup] returned an error: after
// [ErrNotLinked] a LinkAccount card or INVALID_AUTHORIZATION_CREDENTIAL, after any other error the request to try
// again later or INTERNAL_ERROR.
func (c *Client) ErrorResponse(request *Request, err error) json.RawMessage {
	notLinked := errors.Is(err, ErrNotLinked)
	switch {
	case request.Kind == SmartHome:
		return encode(smartHomeError(request, notLinked))
	case request.Kind == Music:
		return encode(musicError(notLinked))
	case !request.isSpoken():
		return encode(object{"version": "1.0", "response": object{}})
	}
	return encode(spokenError(c.texts(request.Locale), notLinked))
}

func spokenError(texts Texts, notLinked bool) object {
	response := object{"shouldEndSession": true}
	text := texts.Unavailable
	if notLinked {
		text = texts.NotLinked
		response["card"] = object{"type": "LinkAccount"}
	}
	response["outputSpeech"] = object{"type": "PlainText", "text": text}
	return object{"version": "1.0", "response": response}
}

func smartHomeError(request *Request, notLinked bool) object {
	header := errorHeader("Alexa", "3")
	payload := errorPayload(notLinked)
	if request.Type == "Alexa.Authorization.AcceptGrant" {
		header["namespace"], payload["type"] = "Alexa.Authorization", acceptGrantFailed
	}
	if request.correlationToken != "" {
		header["correlationToken"] = request.correlationToken
	}
	event := object{"header": header, "payload": payload}
	if request.endpointID != "" {
		event["endpoint"] = object{"endpointId": request.endpointID}
	}
	return object{"event": event}
}

func musicError(notLinked bool) object {
	return object{"header": errorHeader("Alexa", "3.0"), "payload": errorPayload(notLinked)}
}

func errorHeader(namespace, version string) object {
	return object{"namespace": namespace, "name": "ErrorResponse", "messageId": rand.Text(), "payloadVersion": version}
}

func errorPayload(notLinked bool) object {
	if notLinked {
		return object{"type": invalidCredential, "message": "The account is not linked."}
	}
	return object{"type": internalError, "message": "It is not known whether the account is linked. Try again later."}
}

func (c *Client) texts(locale string) Texts {
	var texts Texts
	if c.Texts != nil {
		texts = c.Texts(locale)
	}
	return Texts{
		NotLinked:   first(texts.NotLinked, "Please link your account in the Alexa app."),
		Unavailable: first(texts.Unavailable, "This is not available right now. Please try again later."),
	}
}

func encode(response object) json.RawMessage {
	data, err := json.Marshal(response)
	if err != nil {
		panic(err) // only for values that JSON cannot have
	}
	return data
}
