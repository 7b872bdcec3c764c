CREATE TABLE meta (
	name VARCHAR(64) NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (name)
);

CREATE TABLE batches (
	number INTEGER NOT NULL,
	batch_id VARCHAR(200) NOT NULL,
	spec TEXT NOT NULL,
	recipe VARCHAR(64) NOT NULL,
	state VARCHAR(16) NOT NULL,
	state_reason TEXT,
	concurrency INTEGER NOT NULL,
	document_count INTEGER NOT NULL,
	duplicate_count INTEGER NOT NULL,
	created_at FLOAT NOT NULL,
	finished_at FLOAT,
	PRIMARY KEY (number),
	UNIQUE (batch_id)
);

CREATE TABLE documents (
	batch INTEGER NOT NULL,
	position INTEGER NOT NULL,
	uri TEXT NOT NULL,
	uri_key BLOB NOT NULL,
	text TEXT,
	fields TEXT,
	cause VARCHAR(32),
	reason TEXT,
	duplicate_of INTEGER,
	PRIMARY KEY (batch, position)
)
 WITHOUT ROWID;

CREATE TABLE begun (
	batch INTEGER NOT NULL,
	position INTEGER NOT NULL,
	times INTEGER NOT NULL,
	outages INTEGER NOT NULL,
	given_back INTEGER NOT NULL,
	earlier_calls INTEGER NOT NULL,
	earlier_input_tokens BIGINT NOT NULL,
	earlier_output_tokens BIGINT NOT NULL,
	earlier_usd_nanos BIGINT NOT NULL,
	PRIMARY KEY (batch, position)
)
 WITHOUT ROWID;

CREATE TABLE outcomes (
	batch INTEGER NOT NULL,
	position INTEGER NOT NULL,
	status VARCHAR(8) NOT NULL,
	cause VARCHAR(32),
	reason TEXT,
	result TEXT,
	model VARCHAR(200),
	calls INTEGER NOT NULL,
	input_tokens BIGINT NOT NULL,
	output_tokens BIGINT NOT NULL,
	usd_nanos BIGINT,
	content_key BLOB,
	reused INTEGER NOT NULL,
	seconds FLOAT NOT NULL,
	recorded_at FLOAT NOT NULL,
	PRIMARY KEY (batch, position)
)
 WITHOUT ROWID;

CREATE INDEX outcomes_by_content ON outcomes (content_key) WHERE content_key IS NOT NULL;

CREATE INDEX outcomes_progress ON outcomes (batch, status, cause, reused, calls, input_tokens, output_tokens, usd_nanos);

CREATE TABLE calls (
	batch INTEGER NOT NULL,
	position INTEGER NOT NULL,
	call_key VARCHAR(64) NOT NULL,
	answer TEXT NOT NULL,
	PRIMARY KEY (batch, position, call_key)
)
 WITHOUT ROWID;

CREATE TABLE effects (
	effect_key VARCHAR(40) NOT NULL,
	workflow_id VARCHAR(1000) NOT NULL,
	activity_id VARCHAR(200) NOT NULL,
	kind VARCHAR(16) NOT NULL,
	name VARCHAR(200) NOT NULL,
	state VARCHAR(8) NOT NULL,
	attempts INTEGER NOT NULL,
	failures INTEGER NOT NULL,
	result BLOB,
	error TEXT,
	facts TEXT,
	begun_at FLOAT NOT NULL,
	ended_at FLOAT,
	PRIMARY KEY (effect_key)
)
 WITHOUT ROWID;

CREATE INDEX effects_by_workflow ON effects (workflow_id);

CREATE TABLE answers (
	workflow_id VARCHAR(1000) NOT NULL,
	turn INTEGER NOT NULL,
	answer TEXT NOT NULL,
	recorded_at FLOAT NOT NULL,
	PRIMARY KEY (workflow_id, turn)
)
 WITHOUT ROWID;

INSERT INTO meta VALUES ('schema_version', '1');
