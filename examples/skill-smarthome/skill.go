package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log"
	"time"

	"alexa-oidc-bridge/bridge/lookup"
)

type skill struct {
	client *lookup.Client
	lamps  lamps
}

// directive is what a skill reads of a directive besides the token.
type directive struct {
	Directive struct {
		Header struct {
			CorrelationToken string `json:"correlationToken"`
		} `json:"header"`
		Endpoint struct {
			EndpointID string `json:"endpointId"`
		} `json:"endpoint"`
	} `json:"directive"`
}

// respond responds to a directive. It is the handler of Lambda, which only the skill's trigger may call.
func (s *skill) respond(ctx context.Context, body json.RawMessage) (json.RawMessage, error) {
	request, err := lookup.ParseRequest(body)
	if err != nil {
		return nil, err
	}
	if request.Kind != lookup.SmartHome {
		return nil, errors.New("the request is not for a smart home skill")
	}
	person, err := s.client.Lookup(ctx, request)
	if err != nil {
		if !errors.Is(err, lookup.ErrNotLinked) {
			log.Print(err)
		}
		return s.client.ErrorResponse(request, err), nil // the link ends only after ErrNotLinked
	}
	var d directive
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, err
	}
	return json.Marshal(s.handle(request.Type, &d, person))
}

type object = map[string]any

// handle does what a directive says, for a person whom the skill knows.
func (s *skill) handle(name string, d *directive, person *lookup.Person) object {
	switch name {
	case "Alexa.Discovery.Discover":
		return event("Alexa.Discovery", "Discover.Response", object{"endpoints": []object{kitchen()}})
	case "Alexa.Authorization.AcceptGrant": // a skill that sends events to Alexa exchanges payload.grant.code here
		return event("Alexa.Authorization", "AcceptGrant.Response", object{})
	case "Alexa.PowerController.TurnOn", "Alexa.PowerController.TurnOff", "Alexa.ReportState":
	default:
		return d.failed("INVALID_DIRECTIVE", "The skill does not know "+name+".")
	}
	if d.Directive.Endpoint.EndpointID != kitchenLamp {
		return d.failed("NO_SUCH_ENDPOINT", "The person has no such lamp.")
	}
	if name == "Alexa.ReportState" {
		return d.reply("StateReport", s.lamps.state(person.Key()))
	}
	s.lamps.turn(person.Key(), name == "Alexa.PowerController.TurnOn")
	return d.reply("Response", s.lamps.state(person.Key()))
}

// kitchen describes the lamp in the kitchen.
func kitchen() object {
	alexa := object{"type": "AlexaInterface", "interface": "Alexa", "version": "3"}
	power := object{"type": "AlexaInterface", "interface": "Alexa.PowerController", "version": "3", "properties": object{
		"supported": []object{{"name": "powerState"}}, "proactivelyReported": false, "retrievable": true,
	}}
	return object{
		"endpointId": kitchenLamp, "friendlyName": "Kitchen lamp", "manufacturerName": "Contoso",
		"description": "A lamp by Contoso", "displayCategories": []string{"LIGHT"}, "capabilities": []object{alexa, power},
	}
}

// reply says what state the lamp of a directive has.
func (d *directive) reply(name, state string) object {
	response := d.about(event("Alexa", name, object{}))
	response["context"] = object{"properties": []object{{
		"namespace": "Alexa.PowerController", "name": "powerState", "value": state,
		"timeOfSample": time.Now().UTC().Format(time.RFC3339), "uncertaintyInMilliseconds": 0,
	}}}
	return response
}

func (d *directive) failed(kind, message string) object {
	return d.about(event("Alexa", "ErrorResponse", object{"type": kind, "message": message}))
}

// about adds to a response which directive and which lamp it is about.
func (d *directive) about(response object) object {
	inner := response["event"].(object)
	if token := d.Directive.Header.CorrelationToken; token != "" {
		inner["header"].(object)["correlationToken"] = token
	}
	if id := d.Directive.Endpoint.EndpointID; id != "" {
		inner["endpoint"] = object{"endpointId": id}
	}
	return response
}

func event(namespace, name string, payload object) object {
	header := object{"namespace": namespace, "name": name, "messageId": rand.Text(), "payloadVersion": "3"}
	return object{"event": object{"header": header, "payload": payload}}
}
