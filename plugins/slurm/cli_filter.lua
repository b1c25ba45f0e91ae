--[[
cli_filter.lua for SLURM (CliFilterPlugins=cli_filter/lua): batch jobs that use ckpt are submitted with

	--signal=USR1@120	two minutes before the limit: checkpoint, and end
	--requeue		and run again
	--open-mode=append	with the same output file

unless the user has said otherwise. Other jobs are left alone: SIGUSR1 would end their programs.

A job uses ckpt when its script, or what --wrap gives, names one of ckpt's programs, or when it is submitted with
CKPT_SLURM=1. A script that comes on standard input can't be looked at; the module does for that, or the options.
CKPT_SLURM=0 turns this off, CKPT_REQUEST_SIGNAL names another signal.

Goes beside slurm.conf. A site that has a cli_filter.lua begins it with

	dofile("@prefix@/lib/ckpt/slurm/cli_filter.lua")

and calls ckpt_cli_filter(options) in its own slurm_cli_pre_submit(), which replaces the one below.
]]

local LEAD = 120	-- seconds before the limit; SLURM may be a minute early
local READ = 1048576	-- bytes of a script that are looked at

local function text_of_script(path)
	local file = path and io.open(path, "rb")
	if not file then
		return ""
	end
	local text = file:read(READ)
	file:close()
	return text or ""
end

-- Comments count: a script may say in one what its modules do.
local function uses_ckpt(options)
	local wanted = os.getenv("CKPT_SLURM")
	if wanted == "0" or wanted == "1" then
		return wanted == "1"
	end
	local argv = options["argv"]
	local text = options["wrap"] or text_of_script(argv and argv[1])
	return text:find("ckpt_launch", 1, true) ~= nil or text:find("-m ckpt run", 1, true) ~= nil
end

-- "1-02:00:00", as SLURM prints a limit, in seconds; nil: there is none.
local function seconds(limit)
	local days, h, m, s = string.match(limit or "", "^(%d+)%-(%d+):(%d+):(%d+)$")
	if not days then
		days, h, m, s = 0, string.match(limit or "", "^(%d+):(%d+):(%d+)$")
	end
	if not h or tonumber(days) > 36500 then
		return nil
	end
	return ((tonumber(days) * 24 + tonumber(h)) * 60 + tonumber(m)) * 60 + tonumber(s)
end

-- In a job of a few minutes the signal must not come with the first of them.
local function lead(options)
	local limit = seconds(options["time"])
	return limit and math.min(LEAD, math.floor(limit / 4)) or LEAD
end

local function set(options)
	if options["type"] ~= "sbatch" or not uses_ckpt(options) then
		return
	end
	local signal = options["signal"]
	if not signal or signal == "" or signal:match("^0") then
		local name = os.getenv("CKPT_REQUEST_SIGNAL") or ""
		options["signal"] = (name:match("^%w+$") or "USR1") .. "@" .. lead(options)
	end
	if options["requeue"] == "unset" then
		options["requeue"] = "set"
	end
	if not options["open-mode"] then
		options["open-mode"] = "append"
	end
end

-- Whatever goes wrong here, the job is submitted.
function ckpt_cli_filter(options)
	pcall(set, options)
end

function slurm_cli_setup_defaults(options, early)
	return slurm.SUCCESS
end

function slurm_cli_pre_submit(options, offset)
	ckpt_cli_filter(options)
	return slurm.SUCCESS
end

function slurm_cli_post_submit(offset, job, step)
	return slurm.SUCCESS
end

return slurm.SUCCESS
