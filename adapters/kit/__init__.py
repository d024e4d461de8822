"""What adapters are made of: cutting bytes into messages, reading them member by member, dates,
XML, CSV, HL7 and FHIR, and stating what was read. Pure, all of it."""
