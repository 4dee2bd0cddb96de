/* The subcommands of `yoco`. */
#ifndef YOCO_COMMANDS_H
#define YOCO_COMMANDS_H

#include "coordinator/cli/options.h"

extern const yoco_command yoco_command_run, yoco_command_batch, yoco_command_context,
    yoco_command_eval, yoco_command_plan, yoco_command_info, yoco_command_bench, yoco_command_init,
    yoco_command_doctor, yoco_command_scale;

#endif
