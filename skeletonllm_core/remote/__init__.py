"""The wire between a host program and the local worker: messages (`wire`) and the verbs over HTTP (`client`)."""
