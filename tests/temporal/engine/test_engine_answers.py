async def test_a_client_finds_the_engine_through_the_state_folder(client, engine):
    assert client.service_client.config.target_host == engine.state.address
    assert client.namespace == "default"
