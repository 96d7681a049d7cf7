"""The test files that take longest, in the order in which `make test` begins with them.

With its few workers none shall be left alone with one of them at the end.
"""

LONGEST = (
    "system/test_secrets_files.py",
    "deploy/test_deploy_serial.py",
    "chip/test_chip_slice.py",
    "image/test_image.py",
    "system/test_client_codes_and_faults.py",
    "virtual_board/test_board_run.py",
    "chip/test_chip_core.py",
    "portable/test_outbox.py",
    "emulator/test_console_page.py",
    "send/test_send_readings.py",
    "status/test_status_outbox_port.py",
    "register/test_register.py",
    "flash/test_flash.py",
    "provision/test_provision.py",
    "system/test_aio_client.py",
    "virtual_board/test_board_serial.py",
    "system/test_no_network.py",
    "system/test_esp32_life.py",
    "chip/test_chip_input.py",
    "system/test_transport_peers.py",
    "documents/test_examples.py",
    "power/test_power_cuts.py",
    "host/test_file_modes.py",
    "factory/test_factory.py",
    "documents/test_flows.py",
    "system/test_hostile_platform.py",
    "package/test_mip_byte_code.py",
    "emulator/test_console_products.py",
    "package/test_wheel.py",
    "soak/test_soak.py",
)
