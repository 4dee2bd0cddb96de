# cmake -DSOURCE=... -DBUILD=... -P build_simulator.cmake: configures and builds yoco-sim.
foreach(command
        "-S;${SOURCE};-B;${BUILD};-G;Ninja;-DCMAKE_C_COMPILER=smpicc;-DCMAKE_BUILD_TYPE=Release;-DYOCO_SIM=ON;-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY"
        "--build;${BUILD}")
    execute_process(COMMAND ${CMAKE_COMMAND} ${command} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
